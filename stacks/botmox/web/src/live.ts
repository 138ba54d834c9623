/** The status of the backend, pushed over a websocket that comes back by itself. */
import { useEffect, useState } from 'react';

export interface Live {
  status: string;
  release: string;
  degraded: string[];
}

const BEGINNING: Live = { status: 'connecting', release: '', degraded: [] };
const AWAY: Live = { ...BEGINNING, status: 'no connection' };
const SOON_MS = 500;
const MOST_MS = 8000;

export function useLive(): Live {
  const [live, setLive] = useState<Live>(BEGINNING);
  useEffect(() => follow(setLive), []);
  return live;
}

function follow(tell: (live: Live) => void): () => void {
  let socket: WebSocket | null = null;
  let wait = SOON_MS;
  let timer = 0;
  const open = (): void => {
    socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/v1/live`);
    socket.onmessage = (event: MessageEvent<string>) => {
      wait = SOON_MS;
      tell(JSON.parse(event.data) as Live);
    };
    socket.onclose = () => {
      tell(AWAY);
      timer = window.setTimeout(open, wait);
      wait = Math.min(wait * 2, MOST_MS);
    };
  };
  open();
  return () => {
    window.clearTimeout(timer);
    if (socket !== null) socket.onclose = null;
    socket?.close();
  };
}

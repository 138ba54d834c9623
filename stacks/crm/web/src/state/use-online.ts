/** Whether the network went away while the page was open. */
import { useEffect, useState } from 'react';

// Not navigator.onLine: a laptop without any network still reaches the stack that runs on it.
export function useOnline(): boolean {
  const [online, setOnline] = useState(true);
  useEffect(() => {
    const goOnline = () => {
      setOnline(true);
    };
    const goOffline = () => {
      setOnline(false);
    };
    window.addEventListener('online', goOnline);
    window.addEventListener('offline', goOffline);
    return () => {
      window.removeEventListener('online', goOnline);
      window.removeEventListener('offline', goOffline);
    };
  }, []);
  return online;
}

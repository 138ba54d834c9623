/** Takes files that are dropped anywhere in the window; says whether some are held over it. */
import { useEffect, useEffectEvent, useState } from 'react';

export function useFileDrop(onFiles: (files: readonly File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const take = useEffectEvent(onFiles);

  useEffect(() => {
    const stop = new AbortController();
    const listen = (type: 'dragover' | 'dragleave' | 'drop', react: (event: DragEvent) => void) => {
      window.addEventListener(
        type,
        (event) => {
          if (event.dataTransfer?.types.includes('Files')) react(event);
        },
        { signal: stop.signal },
      );
    };
    listen('dragover', (event) => {
      event.preventDefault(); // else the browser would leave the page for the file
      setOver(true);
    });
    listen('dragleave', (event) => {
      if (event.relatedTarget === null) setOver(false);
    });
    listen('drop', (event) => {
      event.preventDefault();
      setOver(false);
      take(filesOf(event.dataTransfer));
    });
    return () => {
      stop.abort();
    };
  }, []);

  return over;
}

/** A dropped folder comes as a file that cannot be read; those are left out. */
function filesOf(data: DataTransfer | null): File[] {
  return Array.from(data?.items ?? []).flatMap((item) => {
    const file = item.webkitGetAsEntry()?.isDirectory ? null : item.getAsFile();
    return file ? [file] : [];
  });
}

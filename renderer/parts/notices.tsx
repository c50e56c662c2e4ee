/** What the user should read, newest at the bottom. Errors stay until dismissed; the rest goes after a while. */
import { CircleAlert, CircleCheck, TriangleAlert, X } from 'lucide-react';
import { useEffect } from 'react';
import { Button } from 'react-aria-components';
import { useApp, useAppState } from '../app-context.ts';
import { asSentence } from '../format.ts';
import type { Notice } from '../state/app-state.ts';

const SHOWN_MS = 6000;
const ICONS = { info: CircleCheck, warning: TriangleAlert, error: CircleAlert };

export function Notices() {
  const notices = useAppState(state => state.notices);
  return (
    <section className="notices" aria-label="Notices" aria-live="polite">
      {notices.map(notice => (
        <NoticeCard key={notice.id} notice={notice} />
      ))}
    </section>
  );
}

function NoticeCard({ notice }: { notice: Notice }) {
  const { controller } = useApp();
  const Icon = ICONS[notice.level];
  useEffect(() => {
    if (notice.level === 'error') return;
    const timer = setTimeout(() => controller.dispatch({ type: 'dismiss', id: notice.id }), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [controller, notice]);
  return (
    <div className={`notice ${notice.level}`} role={notice.level === 'error' ? 'alert' : 'status'}>
      <Icon size={18} aria-hidden />
      <p>{asSentence(notice.text)}</p>
      <Button
        className="button icon"
        aria-label="Dismiss this notice"
        onPress={() => controller.dispatch({ type: 'dismiss', id: notice.id })}
      >
        <X size={14} aria-hidden />
      </Button>
    </div>
  );
}

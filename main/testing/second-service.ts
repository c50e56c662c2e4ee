/** A host service in a real second process, asked over its IPC channel. Run as a program, this file is that process. */
import { fork } from 'node:child_process';
import { HostService } from '../host-service.ts';
import type { Params, RequestName, Result } from '../ipc/contract.ts';
import { decodeFrame, encodeFrame, FRAME_SERIAL_IN, FRAME_SERIAL_OUT } from '../ipc/frames.ts';

type Question =
  | { readonly id: number; readonly ask: RequestName; readonly params: unknown }
  | { readonly id: number; readonly type: string; readonly name: string }
  | { readonly id: number; readonly saw: string }
  | { readonly id: number; readonly end: true };
type QuestionBody = Question extends infer Q ? (Q extends Question ? Omit<Q, 'id'> : never) : never;

export async function spawnCairn(libraryPath: string) {
  const child = fork(import.meta.filename, [libraryPath]);
  const waiting = new Map<number, (answer: { result?: unknown; error?: string }) => void>();
  child.on('message', (answer: { id: number; result?: unknown; error?: string }) => waiting.get(answer.id)?.(answer));
  let nextId = 0;
  const question = (body: QuestionBody) =>
    new Promise<unknown>((resolve, reject) => {
      const id = nextId++;
      waiting.set(id, ({ result, error }) => (error === undefined ? resolve(result) : reject(new Error(error))));
      child.send({ ...body, id });
    });
  return {
    pid: child.pid!,
    ask: <N extends RequestName>(name: N, params: Params<N>) => question({ ask: name, params }) as Promise<Result<N>>,
    type: (name: string, text: string) => question({ type: text, name }),
    saw: (text: string) => question({ saw: text }) as Promise<string>,
    end: () => question({ end: true }),
    kill: () => new Promise(resolve => child.once('exit', resolve) && child.kill('SIGKILL')),
  };
}

if (process.argv[1] === import.meta.filename && process.send) serve(process.argv[2]!);

function serve(libraryPath: string): void {
  const service = new HostService({ libraryPath, version: '0' });
  const client = service.connect();
  let text = '';
  let look = () => {};
  client.onFrame(bytes => {
    const frame = decodeFrame(bytes)!;
    if (frame.kind === FRAME_SERIAL_OUT) text += new TextDecoder().decode(frame.payload);
    look();
  });
  const answer = async (question: Question): Promise<unknown> => {
    if ('ask' in question) return client.request(question.ask, question.params as never);
    if ('type' in question) {
      const { handle } = await client.request('console.attach', { name: question.name });
      return client.sendFrame(encodeFrame(FRAME_SERIAL_IN, 0, handle, new TextEncoder().encode(question.type)));
    }
    if ('saw' in question) {
      return new Promise(resolve => {
        look = () => text.includes(question.saw) && resolve(text);
        look();
      });
    }
    await service.close();
    setImmediate(() => process.disconnect());
    return null;
  };
  process.on('message', (question: Question) => {
    answer(question).then(
      result => process.send!({ id: question.id, result: result ?? null }),
      (error: Error) => process.send!({ id: question.id, error: error.message }),
    );
  });
}

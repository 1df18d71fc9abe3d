/** A conversation over a pipe: each side sends and receives, until one closes its end. */
import * as mp from "@polyproc/multiprocessing";

interface Question {
  base: number;
  exponent: number;
}

/** Answers whatever comes, and ends when the other side closes. */
export async function answer(connection: mp.Connection): Promise<void> {
  for await (const message of connection) {
    const { base, exponent } = message as Question;
    await connection.send(base ** exponent);
  }
  console.log("child: the other end was closed");
}

/** The same in blocking calls, as one would write it in Python. */
export function answerSync(connection: mp.Connection): void {
  try {
    while (true) {
      const { base, exponent } = connection.recvSync() as Question;
      connection.sendSync(base ** exponent);
    }
  } catch (error) {
    if (!(error instanceof mp.EOFError)) throw error;
    console.log("blocking child: the other end was closed");
  }
}

if (mp.isMain(import.meta)) {
  // Blocking calls need memory that both processes share.
  const targets = mp.capabilities().sharedMemory.process ? [answer, answerSync] : [answer];
  for (const target of targets) {
    const [here, there] = mp.Pipe();
    const child = new mp.Process({ target, args: [there] }).start();
    for (const question of [{ base: 2, exponent: 10 }, { base: 2n, exponent: 100n }]) {
      await here.send(question);
      console.log(`${question.base} ** ${question.exponent} = ${await here.recv()}`);
    }
    here.close();
    await child.join();
  }

  // A simplex pipe: the first end receives, the second sends. Nothing comes, so `poll` says no, and `recv` gives up in time.
  const [receiver, sender] = mp.Pipe({ duplex: false });
  console.log("poll:", await receiver.poll({ timeout: 50 }));
  try {
    await receiver.recv({ timeout: 50 });
  } catch (error) {
    console.log(`recv: ${(error as Error).name}`);
  }
  await sender.sendBytes(new TextEncoder().encode("bytes are messages too"));
  console.log(new TextDecoder().decode(await receiver.recvBytes()));
}

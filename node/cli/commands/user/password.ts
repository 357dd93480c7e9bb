import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { ConfigurationError } from "../../../runtime/errors.ts";
import { Interrupted } from "../../exit-code.ts";

/**
 * The password that was given; without one it is read from the terminal, typed twice and not shown, or from the first line of standard input.
 * An empty one is none: a script whose variable is not set would give the account to everybody.
 * @throws {ConfigurationError} `BAD_PASSWORD` @throws {Interrupted}
 */
export async function passwordFor(username: string, given: string | undefined): Promise<string> {
  const isTerminal = given === undefined && process.stdin.isTTY === true;
  const password = given ?? (await readSecret(isTerminal ? `Password for ${username}: ` : ""));
  if (password === "")
    throw new ConfigurationError("BAD_PASSWORD", "a password is needed: type one, or give a line on standard input");
  if (isTerminal && (await readSecret("Once more: ")) !== password) {
    throw new ConfigurationError("BAD_PASSWORD", "the two passwords differ; nothing was changed");
  }
  return password;
}

/** One line of standard input without its end; empty when there is none. */
async function readSecret(question: string): Promise<string> {
  process.stderr.write(question);
  // A terminal's echo is readline's, so it goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: question !== "" });
  try {
    return await new Promise((resolve, reject) => {
      lines.once("line", resolve);
      lines.once("SIGINT", () => reject(new Interrupted()));
      lines.once("close", () => resolve(""));
    });
  } finally {
    lines.close();
    if (question !== "") process.stderr.write("\n");
  }
}

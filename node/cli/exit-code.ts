import { AortaError } from "../runtime/errors.ts";
import { AdminRefusal } from "./admin-client.ts";

/** What a shell sees: done, failed, used wrongly, interrupted. */
export const exitCode = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Ctrl-C at a prompt. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** How a command ends with an error: the exit code, and what people are told. A stack is shown for our own mistakes only. */
export function endingOf(error: unknown): { readonly code: number; readonly message: string } {
  if (error instanceof Interrupted) return { code: exitCode.interrupted, message: "interrupted" };
  if (error instanceof AdminRefusal && error.status === 400) return { code: exitCode.usage, message: error.message };
  if (error instanceof AortaError && error.family === "configuration") {
    return { code: exitCode.usage, message: error.message };
  }
  if (error instanceof AortaError && error.family !== "programmer") {
    return { code: exitCode.failure, message: error.message };
  }
  return { code: exitCode.failure, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

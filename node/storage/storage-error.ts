import { DAMAGE_ADVICE } from "../runtime/damage-advice.ts";
import { AortaError, OperationalError } from "../runtime/errors.ts";

// Primary result codes: https://www.sqlite.org/rescode.html
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** The primary SQLite result code of an error, or `undefined` when SQLite did not raise it. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

/** Whether another connection holds the lock that was asked for. */
export function isBusy(error: unknown): boolean {
  return resultCode(error) === SQLITE_BUSY;
}

/** The error for a file whose content SQLite cannot trust. Nothing has been changed in it. */
export function damaged(file: string, detail: string, cause?: unknown): OperationalError {
  return new OperationalError("DATABASE_DAMAGED", `${file} is damaged (${detail}). ${DAMAGE_ADVICE}`, { cause });
}

/** Ours for an error of SQLite: `DISK_FULL`, `DATABASE_DAMAGED`, or `STORAGE_FAILED` for the rest; what is ours already stays. */
export function storageError(file: string, error: unknown): AortaError {
  if (error instanceof AortaError) return error;
  const message = error instanceof Error ? error.message : String(error);
  switch (resultCode(error)) {
    case SQLITE_FULL:
      return new OperationalError("DISK_FULL", `no room left to write ${file}`, { cause: error });
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return damaged(file, message, error);
    default:
      return new OperationalError("STORAGE_FAILED", `cannot use ${file}: ${message}`, { cause: error });
  }
}

/**
 * Runs `work`, turning SQLite's errors into ours.
 * @throws {OperationalError} as {@link storageError}
 */
export function mapErrors<Result>(file: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw storageError(file, error);
  }
}

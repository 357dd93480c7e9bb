import type { Storage } from "../../node/storage/ports.ts";

/** The disk as one process sees it. */
export interface ProcessDisk {
  readonly storage: Storage;
  /** The process is gone: whatever of it still runs in the test writes no more. */
  cut(): void;
}

/** Lets a process use a disk that will outlive it. */
export function diskOf(storage: Storage): ProcessDisk {
  let isCut = false;
  const guarded = <Store extends object>(store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return (...values: unknown[]): unknown => {
          if (!isCut) return Reflect.apply(member, target, values);
          return ["list", "of", "aors"].includes(String(name)) ? [] : undefined;
        };
      },
    });
  const stores = Object.entries(storage).map(([name, store]) => [
    name,
    typeof store === "function" ? store : guarded(store as object),
  ]);
  return { storage: Object.fromEntries(stores) as Storage, cut: () => void (isCut = true) };
}

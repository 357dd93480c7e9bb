import type { Invite, InviteStore, Settings } from "../../node/storage/ports.ts";

/** Settings that live as long as the object: give the same one to a second node to restart the first. */
export function memorySettings(): Settings {
  const values = new Map<string, Uint8Array>();
  return {
    get: (name) => values.get(name)?.slice(),
    set: (name, value) => void values.set(name, value.slice()),
    delete: (name) => void values.delete(name),
  };
}

/** Invites that live as long as the object. */
export function memoryInvites(): InviteStore {
  const invites = new Map<string, Invite>();
  return {
    add: (invite) => void invites.set(invite.secretHash, invite),
    take(secretHash) {
      const invite = invites.get(secretHash);
      invites.delete(secretHash);
      return invite;
    },
    list: () => [...invites.values()],
  };
}

import type { Aor } from "../../dht-schema/aor.ts";
import { limits } from "../runtime/limits.ts";
import { likenessOf } from "./contact-index.ts";
import type { RegisteredContacts, UsersAtContact } from "./registered-contacts.ts";

/** Which of some users have a device at a Contact now. */
export function usersAt(
  contactUri: string,
  users: Iterable<Aor>,
  { contactsOf, isResting }: Pick<RegisteredContacts, "contactsOf" | "isResting">,
): UsersAtContact {
  const [same, near]: [Aor[], Aor[]] = [[], []];
  let isUnsure = false;
  for (const aor of users) {
    if (same.length >= limits.registrar.usersAtContact) break;
    isUnsure ||= isResting(aor);
    const likenesses = contactsOf(aor).map(({ uri }) => likenessOf(uri, contactUri));
    if (likenesses.includes("same")) same.push(aor);
    else if (likenesses.includes("near") && near.length < limits.registrar.usersAtContact) near.push(aor);
  }
  return { same, near, ...(isUnsure && { unsure: true as const }) };
}

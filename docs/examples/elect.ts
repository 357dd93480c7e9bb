// Three processes elect the owner of a name. After `npm ci && npm run build`, in three terminals:
//   npx node docs/examples/elect.ts one            (prints what to type in the other two)
//   npx node docs/examples/elect.ts two <token>    (and so three)
// Kill the elected one as hard as you like: when its lease has run out another is elected, never two at a time.
import { setTimeout as delay } from "node:timers/promises";
import { noise } from "@chainsafe/libp2p-noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { aortaDirectory, formatBallot, parseAor } from "aorta";
import { createLibp2p } from "libp2p";

const [name = "one", token] = process.argv.slice(2);
const office = parseAor("sip:leader@example.com");

const node = await createLibp2p({
  addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: {
    directory: aortaDirectory({
      name,
      membership: token ? { kind: "join", token } : { kind: "found", domain: "example.com", leaseMs: 2_000 },
    }),
  },
});
const { directory } = node.services;
process.once("SIGTERM", () => void node.stop());
directory.onLost(({ reason }) => console.log(`${name} no longer holds the office: ${reason}`));
if (!token) for (const other of ["two", "three"]) console.log(`elect.ts ${other} ${directory.createInvite()}`);
while (directory.roster().voters.length < 3 || directory.roster().oldVoters.length > 0) await delay(100);

for await (const change of directory.changes(office)) {
  const epoch = directory.owned(office);
  if (epoch) console.log(`${name} is elected, epoch ${formatBallot(epoch)}`);
  // Nobody holds the office, as far as can be seen from here: stand for it. Of all who do, one gets it.
  else if (change.kind !== "owner")
    while (node.status === "started" && (await directory.claim(office, { mode: "if-free" })).kind === "unavailable")
      await delay(100);
}

import { expect } from "chai";
import type { WatcherInfoDocument } from "../../../../node/presence/watcherinfo/watcherinfo-document.ts";
import {
  bytesOfWatcher,
  parseWatcherInfo,
  serializeWatcherInfo,
} from "../../../../node/presence/watcherinfo/watcherinfo-document.ts";

const document: WatcherInfoDocument = {
  version: 3,
  full: false,
  resource: "sip:alice@example.com",
  watchers: [
    {
      id: "8ajksjda7s",
      uri: "sip:joe@example.com",
      status: "active",
      event: "approved",
      durationSeconds: 509,
      expirationSeconds: 20,
    },
    { id: "hh8juja87s", uri: "sip:ann&co@example.com", status: "terminated", event: "rejected" },
  ],
};

const refused = (text: string) => () => parseWatcherInfo(Buffer.from(text));
const frame = (inside: string, attributes = 'version="0" state="full"') =>
  `<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" ${attributes}>${inside}</watcherinfo>`;
const list = (inside: string) =>
  frame(`<watcher-list resource="sip:a@b.c" package="presence">${inside}</watcher-list>`);

describe("a document of watchers (RFC 3858)", () => {
  it("is read as it was written", () => {
    expect(parseWatcherInfo(serializeWatcherInfo(document))).to.deep.equal(document);
  });

  it("takes no more room than is reckoned with for each watcher", () => {
    const watcher = {
      id: "0123456789abcdef",
      uri: `sip:${"&".repeat(200)}@example.com`,
      status: "terminated",
      event: "deactivated",
      durationSeconds: 9_999_999_999,
      expirationSeconds: 9_999_999_999,
    } as const;
    const bytes = (watchers: WatcherInfoDocument["watchers"]) => serializeWatcherInfo({ ...document, watchers }).length;
    expect(bytes([watcher, watcher]) - bytes([watcher])).to.be.within(1000, bytesOfWatcher(watcher));
  });

  it("without a list says that there are none", () => {
    expect(parseWatcherInfo(Buffer.from(frame(""))).watchers).to.deep.equal([]);
  });

  for (const [what, text] of [
    ["of another kind", "<presence xmlns='urn:ietf:params:xml:ns:pidf'/>"],
    ["without a version", frame("", 'state="full"')],
    ["with a state that is none", frame("", 'version="0" state="half"')],
    ["with a watcher without id", list('<watcher status="active" event="approved">sip:j@b.c</watcher>')],
    ["with a status that is none", list('<watcher id="1" status="asleep" event="approved">sip:j@b.c</watcher>')],
    ["with a DOCTYPE", `<!DOCTYPE a>${frame("")}`],
    ["that is no XML", "<watcherinfo"],
  ] as const)
    it(`${what} is refused`, () => {
      expect(refused(text)).to.throw().with.property("family", "protocol");
    });
});

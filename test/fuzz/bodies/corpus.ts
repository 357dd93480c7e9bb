import { parseXml } from "../../../node/presence/pidf/parse-xml.ts";
import type { XmlElement } from "../../../node/presence/pidf/xml-tree.ts";
import type { MutableElement } from "./mutable-xml.ts";

/** Stands in a document for whoever publishes it, so that it can be told whose words are whose. */
export const PUBLISHER = "the-publisher";

const PIDF = `
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"
  xmlns:c="urn:ietf:params:xml:ns:pidf:cipid" entity="pres:${PUBLISHER}@example.com" xml:lang="en">
<tuple id="a8098a"><status><basic>open</basic><c:map>q</c:map></status><dm:deviceID>urn:device:1</dm:deviceID>
<rpid:class>${PUBLISHER}</rpid:class><contact priority="0.8">sip:${PUBLISHER}@127.0.0.1:5060;transport=tcp</contact>
<note xml:lang="fr">Au travail &amp; &lt;occupé&gt;</note><timestamp>2024-02-29T23:59:60.5Z</timestamp></tuple>
<tuple id="t2"><status><basic>closed</basic></status></tuple><note>of ${PUBLISHER}</note>
<dm:person id="p1"><rpid:activities from="2024-01-01T00:00:00Z" until="2024-01-02T00:00:00+14:00"><rpid:on-the-phone/><rpid:note>x</rpid:note></rpid:activities>
<rpid:mood><rpid:happy/></rpid:mood><rpid:place-is><rpid:audio><rpid:noisy/></rpid:audio></rpid:place-is><dm:timestamp>2024-05-30T16:14:29Z</dm:timestamp></dm:person>
<dm:device id="d1"><rpid:user-input idle-threshold="600" last-input="2024-01-01T00:00:00Z">idle</rpid:user-input><dm:deviceID>urn:device:1</dm:deviceID></dm:device></presence>`;

const PREFIXED = `
<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:x="urn:example:${PUBLISHER}" entity="sip:${PUBLISHER}@example.com" x:version="2">
<p:tuple id="t2" x:at="1"><p:status><p:basic p:mustUnderstand="1">open</p:basic><x:status xmlns:x="urn:example:other" x:q="&#13;&#9;">]]&gt;</x:status></p:status></p:tuple>
<bare a='"'>no namespace 😀</bare><x:geo xmlns="urn:example:gml"><point srs="x:crs">1 2</point></x:geo></p:presence>`;

const SMALL = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:${PUBLISHER}@example.com"><tuple id="closed"><status><basic>open</basic></status></tuple></presence>`;

const WATCHERS = `
<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="0" state="full"><watcher-list resource="sip:alice@example.com" package="presence">
<watcher id="7768a77s" event="subscribe" status="pending" display-name="Mr. ${PUBLISHER}" expiration="3600" duration-subscribed="45">sip:${PUBLISHER}@example.com</watcher>
<watcher status="active" id="hh8juja87s997-ju" event="approved">sip:ann&amp;co@example.com</watcher></watcher-list></watcherinfo>`;

const LISTS = `
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:cp="urn:ietf:params:xml:ns:copycontrol"><list name="friends">
<entry uri="sip:bill@example.com" cp:copyControl="to"><display-name>Bill</display-name></entry><entry uri="sips:&amp;&amp;&amp;@EXAMPLE.com:5061"/>
<list name="close"><entry uri="sip:nancy@example.com"/><entry-ref ref="r/~~/x"/></list><external anchor="http://127.0.0.1/"/></list></resource-lists>`;

const REGISTRATIONS = `
<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="1" state="partial"><registration aor="sip:${PUBLISHER}@example.com" id="a7" state="active">
<contact id="76" state="active" event="registered" duration-registered="7322" q="0.8" callid="1j9@a" cseq="7"><uri>sip:${PUBLISHER}@127.0.0.1</uri></contact></registration></reginfo>`;

const RLMI = `
<list xmlns="urn:ietf:params:xml:ns:rlmi" uri="sip:friends@example.com" version="1" fullState="true"><name xml:lang="en">Buddies</name>
<resource uri="sip:bob@example.com"><name>Bob</name><instance id="juwigmtboe" state="active" cid="bUZBsM@example.com"/></resource></list>`;

const IMDN = `
<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>34jk324j</message-id><datetime>2008-04-04T12:16:49-05:00</datetime>
<recipient-uri>im:${PUBLISHER}@example.com</recipient-uri><delivery-notification><status><delivered/></status></delivery-notification></imdn>`;

const LIMITS = { depth: 32, elements: 200, attributesPerElement: 20 };

function mutable({ name, attributes, children }: XmlElement): MutableElement {
  return {
    name,
    attributes: attributes.map((attribute) => ({ name: attribute.name, value: attribute.value })),
    children: children.map((child) => (typeof child === "string" ? child : mutable(child))),
  };
}

/** Documents of the kinds that a node reads or writes; presence documents, of which there is most to get wrong, more often than others. */
export const CORPUS: readonly MutableElement[] = [
  ...[
    PIDF,
    PIDF,
    PIDF,
    PREFIXED,
    PREFIXED,
    PREFIXED,
    PREFIXED,
    SMALL,
    SMALL,
    WATCHERS,
    LISTS,
    REGISTRATIONS,
    RLMI,
    IMDN,
  ],
].map((text) => mutable(parseXml(Buffer.from(text.trim()), LIMITS)));

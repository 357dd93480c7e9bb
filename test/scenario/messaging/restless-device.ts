import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import { Device } from "../../helpers/simulated-domain.ts";

/** A device that does not stand still until it has its answer: whoever has it moves time. */
export class RestlessDevice extends Device {
  override send(request: SipRequest): Promise<SipResponse> {
    return this.client.send(request);
  }
}

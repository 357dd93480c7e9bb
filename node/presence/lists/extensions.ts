/** Option tag of a subscriber that understands NOTIFYs for lists. @see RFC 4662 §4.1 */
export const EVENTLIST = "eventlist";
/** Option tag of a SUBSCRIBE that brings its list. @see RFC 5367 §7 */
export const RECIPIENT_LIST = "recipient-list-subscribe";

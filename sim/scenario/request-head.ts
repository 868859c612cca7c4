/** The head of an HTTP request, as the adapter of a server reads it. */
export type RequestHead = {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly hasBody: boolean;
  /** A WebSocket handshake that may be a home service's: raw bytes flow both ways after its 101. */
  readonly upgrade?: boolean;
  /** Address of the TCP peer; that of most where left out. */
  readonly peer?: string;
  /** Of HTTP/1.0, where it says so. */
  readonly minorVersion?: 0;
  /** The body comes only after `100 Continue`. */
  readonly expectsContinue?: boolean;
};

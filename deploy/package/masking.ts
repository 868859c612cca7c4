/** What the bundle has in the place of `bufferutil`, for `ws`: native code where there is some, else our own faster JavaScript. */
import { bufferUtil } from "../../adapters/socket/masking.ts";

export const { mask, unmask } = bufferUtil;

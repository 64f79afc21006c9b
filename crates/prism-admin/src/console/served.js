// What a namespace serves: what the gateway would refuse is not offered.

import { get, isLacking, namespacePath } from "./api.js";

export const KEYS = "keyvalue.KeyValueBasicInterface";
export const SCAN = "keyvalue.KeyValueScanInterface";
export const TTL = "keyvalue.KeyValueTtlInterface";
export const CAS = "keyvalue.KeyValueCasInterface";
export const COUNTER = "keyvalue.KeyValueCounterInterface";
export const LISTS = "list.ListBasicInterface";
export const LIST_SCAN = "list.ListScanInterface";
export const RANGE = "list.ListRangeInterface";
export const INDEXING = "list.ListIndexingInterface";
export const RESERVE = "list.ListReserveInterface";

/** The interfaces of a namespace; while they are not known, it may have any that has not been refused yet. */
export class Served {
  constructor(interfaces) {
    this.interfaces = interfaces;
    this.refused = new Set();
  }

  has(name) {
    return !this.refused.has(name) && (this.interfaces === null || this.interfaces.includes(`prism.interfaces.${name}`));
  }

  /** Whether a call was refused because this interface is lacking; from then on that is known. */
  lacks(name, error) {
    if (!isLacking(error)) return false;
    this.refused.add(name);
    return true;
  }
}

/** Asks what a namespace serves. */
export async function served(name, signal) {
  const unknown = (error) => {
    if (error.name === "AbortError") throw error;
    return { interfaces: null };
  };
  const { interfaces } = await get(namespacePath(name, "/interfaces"), { signal }).catch(unknown);
  return new Served(interfaces);
}

type Optional<K extends string, T> = { readonly [P in K]?: T };

/** The key only when there is a value: absent and undefined are not the same to `exactOptionalPropertyTypes`. */
export function optional<const K extends string, T>(key: K, value: T | undefined): Optional<K, T> {
  return (value === undefined ? {} : { [key]: value }) as Optional<K, T>;
}

/** The shape of credentials (spec/README point 18); what is not of it is 00010, before anything else is looked at. */

const USERNAME = /^[A-Za-z0-9_.@-]{1,32}$/;
const PASSWORD = /^[\x20-\x7e]{4,64}$/;

/** 1 to 32 of letters, digits, `_`, `.`, `-`, `@`. */
export function isWellFormedUsername(username: string): boolean {
  return USERNAME.test(username);
}

/** 4 to 64 printable ASCII characters, the space among them. */
export function isWellFormedPassword(password: string): boolean {
  return PASSWORD.test(password);
}

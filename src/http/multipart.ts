/**
 * Reads the fields of a multipart/form-data body (RFC 7578) as raw bytes, whatever charset a part claims: the encoding
 * of a text is decided elsewhere. Uploaded files are skipped. A body that breaks off gives the fields up to there;
 * parts beyond the bound are cut off before anything reads them.
 */
import { Busboy, type BusboyHeaders } from '@fastify/busboy';

const MAX_NAME_BYTES = 100;
const MAX_HEADERS_A_PART = 20;
/** RFC 2046 §5.1.1. */
const MAX_BOUNDARY_CHARACTERS = 70;
const BOUNDARY = /;\s*boundary=(?:"([^"\\]+)"|([^\s";\\]+))/i;

export interface Field {
  name: string;
  value: Buffer;
}

/** @param body the whole body, bounded by the caller; @param maxFields further fields are not read */
export function readMultipart(contentType: string, body: Buffer, maxFields: number): Promise<Field[]> {
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) return Promise.resolve([]);
  const parts = firstParts(body, boundary, maxFields);
  const fields: Field[] = [];
  const { promise, resolve } = Promise.withResolvers<Field[]>();
  const done = (): void => resolve(fields);
  let parser: InstanceType<typeof Busboy>;
  try {
    parser = openParser(boundary, parts.length, maxFields);
  } catch {
    return Promise.resolve(fields);
  }
  parser.on('file', (name, stream, filename: string | undefined) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      if (filename === undefined) fields.push({ name, value: Buffer.concat(chunks) });
    });
    stream.on('error', done);
  });
  parser.on('error', done);
  parser.on('finish', done);
  parser.end(parts);
  return promise;
}

function boundaryOf(contentType: string): string | undefined {
  const found = BOUNDARY.exec(contentType);
  const boundary = found?.[1] ?? found?.[2];
  return boundary === undefined || boundary.length > MAX_BOUNDARY_CHARACTERS ? undefined : boundary;
}

/** The body up to the delimiter after the last part that may be read: 1 MiB of delimiters took the parser 1 to 2 s. */
function firstParts(body: Buffer, boundary: string, maxParts: number): Buffer {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  let end = 0;
  for (let delimiters = 0; delimiters <= maxParts; delimiters++) {
    const at = body.indexOf(delimiter, end);
    if (at < 0) return body;
    end = at + delimiter.length;
  }
  return body.subarray(0, end);
}

function openParser(boundary: string, bytes: number, maxFields: number): InstanceType<typeof Busboy> {
  return new Busboy({
    headers: { 'content-type': `multipart/form-data; boundary="${boundary}"` } satisfies BusboyHeaders,
    defCharset: 'latin1',
    // As a "file" a part comes as bytes; as a field it would be decoded by the charset it claims.
    isPartAFile: () => true,
    highWaterMark: bytes,
    limits: {
      files: maxFields,
      parts: maxFields,
      fileSize: bytes,
      fieldNameSize: MAX_NAME_BYTES,
      headerPairs: MAX_HEADERS_A_PART,
    },
  });
}

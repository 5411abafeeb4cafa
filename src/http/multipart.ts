/**
 * The fields of a multipart/form-data body (RFC 7578) as raw bytes, whatever charset a part claims: which encoding a
 * text is in is decided elsewhere. Uploaded files are skipped. A body that breaks off gives the fields before that.
 */
import { Busboy, type BusboyHeaders } from '@fastify/busboy';

const MAX_NAME_BYTES = 100;
const MAX_HEADERS_A_PART = 20;

export interface Field {
  name: string;
  value: Buffer;
}

/** @param body the whole body, bounded by the caller; @param maxFields further fields are not read */
export function readMultipart(contentType: string, body: Buffer, maxFields: number): Promise<Field[]> {
  const fields: Field[] = [];
  const { promise, resolve } = Promise.withResolvers<Field[]>();
  const done = (): void => resolve(fields);
  let parser: InstanceType<typeof Busboy>;
  try {
    parser = openParser(contentType, body.length, maxFields);
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
  parser.end(body);
  return promise;
}

function openParser(contentType: string, bytes: number, maxFields: number): InstanceType<typeof Busboy> {
  return new Busboy({
    headers: { 'content-type': contentType } satisfies BusboyHeaders,
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

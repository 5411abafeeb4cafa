/** The database of a fault run: one server on a volume that can be filled, and a proxy before it for each node. */
import { join } from 'node:path';
import { DatabaseServer } from './database-server.ts';
import { type DatabaseVolume, makeDatabaseVolume } from './database-volume.ts';
import { FaultProxy } from './fault-proxy.ts';
import type { WorldDatabase } from './world-database.ts';

const HOST = '127.0.0.1';

export class FaultDatabase implements WorldDatabase {
  readonly volume: DatabaseVolume;
  readonly server: DatabaseServer;
  /** One for each node. */
  readonly lines: FaultProxy[] = [];

  private constructor(volume: DatabaseVolume, server: DatabaseServer) {
    this.volume = volume;
    this.server = server;
  }

  /** @param options.seconds how long requests will come, which decides the size of the volume */
  static async make(options: { directory: string; seconds: number }): Promise<FaultDatabase> {
    const volume = await makeDatabaseVolume(options.directory, options.seconds);
    try {
      const server = await DatabaseServer.make(volume.path, join(options.directory, 'postgres.log'));
      return new FaultDatabase(volume, server);
    } catch (error) {
      await volume.remove();
      throw error;
    }
  }

  get url(): string {
    return this.server.url();
  }

  async urlForNode(): Promise<string> {
    const line = new FaultProxy({ host: HOST, port: this.server.port });
    this.lines.push(line);
    return this.server.url(await line.listen());
  }

  async stop(): Promise<void> {
    for (const line of this.lines) await line.stop();
    await this.server.stop();
    await this.volume.remove();
  }
}

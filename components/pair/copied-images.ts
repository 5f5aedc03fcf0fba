import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { ServerConfiguration } from "../../config/server-schema.ts";
import { sshOptions } from "../../lib/ssh.ts";
import { type CopiedImage, copiedImage, renderCopyImages, sshCommand } from "../../templates/pair/copied-images.ts";

export interface CopiedImagesArgs {
  readonly from: ServerConfiguration;
  readonly to: ServerConfiguration;
  readonly images: readonly CopiedImage[];
  /** im:redundancy.imagesGeneration: raised, A's images of today are brought to B. */
  readonly generation: number;
}

/** Server A's images on server B, by the id that A runs. */
export class CopiedImages extends pulumi.ComponentResource {
  readonly #printed: pulumi.Output<string>;

  constructor(name: string, args: CopiedImagesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("im:pair:CopiedImages", name, {}, opts);
    const text = renderCopyImages({
      from: sshCommand(args.from, sshOptions(args.from)),
      to: sshCommand(args.to, sshOptions(args.to)),
      images: args.images,
    });
    const command = new local.Command(
      `${name}-copy`,
      {
        create: text,
        interpreter: ["/bin/bash", "-c"],
        triggers: [String(args.generation), args.from.address, args.to.address, JSON.stringify(args.images)],
        addPreviousOutputInEnv: false,
        logging: "none",
      },
      {
        parent: this,
        // The paths of keys are this machine's: another laptop must not see a change.
        ignoreChanges: ["create"],
      },
    );
    this.#printed = command.stdout;
    this.registerOutputs({});
  }

  of(service: string): pulumi.Output<string> {
    return this.#printed.apply((printed) => copiedImage(printed, service));
  }
}

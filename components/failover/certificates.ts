import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

/** Ten years: a certificate that runs out at night would be an outage of its own, and its renewal an `up` that restarts the votes. */
const validityHours = 87_600;

export interface Certificate {
  /** PEM. */
  readonly authority: pulumi.Output<string>;
  readonly certificate: pulumi.Output<string>;
  /** Secret. */
  readonly key: pulumi.Output<string>;
}

/** The pair's private CA and the certificates of its servers. The CA's key lies in the state alone, encrypted. */
export class Certificates extends pulumi.ComponentResource {
  readonly authority: pulumi.Output<string>;
  readonly #key: tls.PrivateKey;

  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("im:failover:Certificates", name, {}, opts);
    this.#key = this.#newKey(`${name}-authority-key`);
    const authority = new tls.SelfSignedCert(
      `${name}-authority`,
      {
        privateKeyPem: this.#key.privateKeyPem,
        isCaCertificate: true,
        subject: { commonName: "im-suite pair", organization: "im-suite-ha" },
        validityPeriodHours: validityHours,
        allowedUses: ["cert_signing", "crl_signing", "digital_signature"],
      },
      { parent: this },
    );
    this.authority = authority.certPem;
    this.registerOutputs({});
  }

  /**
   * A certificate for server and client use. No common name: with one, etcd takes it for a user, and its JSON gateway, by which the controllers
   * vote, refuses to start.
   */
  issue(name: string, address: string): Certificate {
    const key = this.#newKey(`${name}-key`);
    const request = new tls.CertRequest(
      `${name}-request`,
      {
        privateKeyPem: key.privateKeyPem,
        subject: { organization: "im-suite-ha" },
        ipAddresses: [address, "127.0.0.1"],
        dnsNames: ["localhost"],
      },
      { parent: this },
    );
    const signed = new tls.LocallySignedCert(
      name,
      {
        certRequestPem: request.certRequestPem,
        caPrivateKeyPem: this.#key.privateKeyPem,
        caCertPem: this.authority,
        validityPeriodHours: validityHours,
        allowedUses: ["digital_signature", "key_encipherment", "server_auth", "client_auth"],
      },
      { parent: this },
    );
    return { authority: this.authority, certificate: signed.certPem, key: pulumi.secret(key.privateKeyPem) };
  }

  #newKey(name: string): tls.PrivateKey {
    return new tls.PrivateKey(name, { algorithm: "ECDSA", ecdsaCurve: "P256" }, { parent: this });
  }
}

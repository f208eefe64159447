/** What is read of Kubernetes objects, by name and place; the rest is for the cluster to know. */

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: {
      readonly fieldRef?: { readonly fieldPath: string };
      readonly secretKeyRef?: { readonly name: string; readonly key: string };
    };
  }[];
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
  readonly resources: Readonly<Record<'requests' | 'limits', Readonly<Record<'cpu' | 'memory', string>>>>;
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  };
}

export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
  readonly tcpSocket?: { readonly port: string };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
}

export interface PodTemplate {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly serviceAccountName?: string;
    readonly automountServiceAccountToken?: boolean;
    readonly enableServiceLinks?: boolean;
    readonly terminationGracePeriodSeconds?: number;
    readonly securityContext?: {
      readonly runAsNonRoot?: boolean;
      readonly runAsUser?: number;
      readonly seccompProfile?: { readonly type: string };
    };
    readonly containers: readonly Container[];
    readonly volumes?: readonly Readonly<Record<string, unknown>>[];
  };
}

export interface Deployment extends Manifest {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: PodTemplate;
  };
}

export interface Autoscaler extends Manifest {
  readonly spec: {
    readonly scaleTargetRef: { readonly kind: string; readonly name: string };
    readonly minReplicas: number;
    readonly maxReplicas: number;
    readonly metrics: readonly {
      readonly type: string;
      /** Of the type `Pods`. */
      readonly pods?: {
        readonly metric: { readonly name: string };
        readonly target: { readonly averageValue: string };
      };
    }[];
    readonly behavior: { readonly scaleDown: { readonly stabilizationWindowSeconds: number } };
  };
}

export interface DaprConfiguration extends Manifest {
  readonly spec: {
    readonly accessControl: {
      readonly defaultAction: string;
      readonly policies?: readonly { readonly appId: string; readonly namespace: string }[];
    };
  };
}

/** The metrics of an autoscaler that are averages over its pods; others, as KEDA's, it has from elsewhere. */
export const podMetrics = ({ spec }: { readonly spec: Pick<Autoscaler['spec'], 'metrics'> }): PodMetric[] =>
  spec.metrics.flatMap(({ pods }) => pods ?? []);

export type PodMetric = NonNullable<Autoscaler['spec']['metrics'][number]['pods']>;

/** The objects of a kind. */
export const ofKind = <Kind extends Manifest>(objects: readonly Manifest[], kind: string): Kind[] =>
  objects.filter((object): object is Kind => object.kind === kind);

/** `700m` is 0.7, `2` is 2: what Kubernetes calls a quantity, as far as metrics and CPUs use it. */
export function quantity(text: string): number {
  const [, digits = '', unit = ''] = /^(-?[\d.]+)(n|u|m|k|M|G)?$/.exec(text) ?? [];
  // Read as one number, which multiplying would round.
  const exponent = { n: 'e-9', u: 'e-6', m: 'e-3', k: 'e3', M: 'e6', G: 'e9' }[unit] ?? '';
  return digits === '' ? NaN : Number(`${digits}${exponent}`);
}

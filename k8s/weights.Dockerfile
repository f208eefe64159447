# Weights for the pods. The context is a prepared model, the folder that `npm run prepare-model` prints; a target each:
#
#   text     a gateway with the model's shape and tokenizer:  --build-arg BASE_IMAGE=layermesh/gateway:0.1.0
#   baked    a stage with all weights, of which it reads its own: --build-arg BASE_IMAGE=layermesh/stage:0.1.0
#   volume   the files alone, for k8s/components/weights-image
#
#   docker build --file k8s/weights.Dockerfile --target baked --build-arg BASE_IMAGE=layermesh/stage:0.1.0 \
#     --tag layermesh/weights:0.1.0 "$(npm run --silent prepare-model)"
ARG BASE_IMAGE=scratch

FROM ${BASE_IMAGE} AS text
COPY --chown=1000:1000 *.json /weights/

FROM ${BASE_IMAGE} AS baked
ARG PRECISION=int8
COPY --chown=1000:1000 *.json /weights/
COPY --chown=1000:1000 ${PRECISION} /weights/${PRECISION}

FROM scratch AS volume
ARG PRECISION=int8
COPY --chown=1000:1000 *.json /
COPY --chown=1000:1000 ${PRECISION} /${PRECISION}

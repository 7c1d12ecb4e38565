# backpropd in a container: built in one stage, run from a slim one as an ordinary user.
#
#   docker build -t backpropd .
#   docker run -p 127.0.0.1:8080:8080 -v backpropd:/var/lib/backpropd backpropd
#
# Inside a container the daemon listens on all addresses, so it asks for tokens:
#   docker run --rm -v backpropd:/var/lib/backpropd backpropd token create --scope admin

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        gcc libc6-dev cmake ninja-build pkg-config \
        libmicrohttpd-dev libgnutls28-dev libjansson-dev libsqlite3-dev libopenblas-pthread-dev \
        zlib1g-dev nettle-dev libcurl4-openssl-dev libinih-dev libseccomp-dev libsystemd-dev \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cmake --preset release -DBUILD_TESTING=OFF \
    && cmake --build --preset release \
    && DESTDIR=/staging cmake --install build/release --prefix /usr --strip

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        libmicrohttpd12 libgnutls30 libjansson4 libsqlite3-0 libopenblas0-pthread zlib1g \
        libnettle8 libinih1 libcurl4 libseccomp2 libsystemd0 \
    && apt-get clean && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --home-dir /var/lib/backpropd --no-create-home \
        --shell /usr/sbin/nologin backpropd \
    && install -d -o backpropd -g backpropd -m 0700 /var/lib/backpropd
COPY --from=build /staging/usr /usr
USER backpropd
ENV BACKPROPD_DATA=/var/lib/backpropd BACKPROPD_LISTEN=0.0.0.0:8080
VOLUME /var/lib/backpropd
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["backpropd", "healthcheck"]
ENTRYPOINT ["backpropd"]

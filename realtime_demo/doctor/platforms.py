"""The platforms of the doctor: the signs by which each is recognised, its limits, its remedies.

Each remedy has the page of the vendor's documentation that describes it. In the lines,
127.0.0.1:8000 is the application's address.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from .remedies import NOTES, Platform, Remedy

BEHIND_PROXY = _("Run the server with BEHIND_PROXY=1.")
LONG_POLLS = _("The longest poll timeout is 55 s.")
HEARTBEATS = _("The server sends a heartbeat every 15 s.")
SHORTER_POLLS = _("This limit is fixed: clients must poll with wait=25.")

NGINX_DOCS = "https://nginx.org/en/docs/http"
NGINX_PROXY = f"{NGINX_DOCS}/ngx_http_proxy_module.html"
# "upgrade" if the request has an Upgrade header, else empty: one value for all techniques.
NGINX_CONNECTION = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }"
NGINX_UPGRADE = {
    "http": NGINX_CONNECTION,
    "location": "proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\n"
    "proxy_set_header Connection $connection_upgrade;",
}
# deploy/nginx/server.conf has all of them.
NGINX = Platform(
    "nginx",
    response={"server": r"nginx|openresty"},
    rejection=r"(?i)server: (nginx|openresty)",
    first_byte=60,
    remedies={
        "address": Remedy(
            BEHIND_PROXY, {"location": "proxy_set_header X-Forwarded-For $remote_addr;"}
        ),
        "buffers": Remedy(
            _("Remove proxy_ignore_headers X-Accel-Buffering."),
            {"location": "proxy_buffering off;"},
            f"{NGINX_PROXY}#proxy_buffering",
        ),
        "caches": Remedy(
            _("Responses have Cache-Control: no-store."),
            {"location": "proxy_cache off;"},
            f"{NGINX_PROXY}#proxy_cache",
        ),
        "certificate": Remedy(
            _("ssl_certificate must name a valid certificate for this host, with its chain.")
        ),
        "compresses": Remedy(
            _("nginx compresses despite no-transform."),
            {"location": "gzip off;"},
            f"{NGINX_DOCS}/ngx_http_gzip_module.html#gzip",
        ),
        "downgrades": Remedy("", NGINX_UPGRADE, f"{NGINX_PROXY}#proxy_http_version"),
        "drops idle": Remedy(
            HEARTBEATS,
            {"location": "proxy_read_timeout 75s;"},
            f"{NGINX_PROXY}#proxy_read_timeout",
        ),
        "exposes": Remedy(lines={"server": "location = /metrics { return 404; }"}),
        "host": Remedy(
            "", {"location": "proxy_set_header Host $http_host;"}, f"{NGINX_PROXY}#proxy_set_header"
        ),
        "http/1.1": Remedy(
            _("Before nginx 1.25.1: listen 443 ssl http2; HTTP/2 also needs TLS."),
            {"server": "http2 on;"},
            f"{NGINX_DOCS}/ngx_http_v2_module.html#http2",
        ),
        "limits bodies": Remedy(lines={"location": "client_max_body_size 64k;"}),
        "re-chunks": Remedy(NOTES["re-chunks"], {"location": "proxy_buffering off;"}),
        "rejects": Remedy(
            NOTES["rejects"],
            {
                "location": "proxy_set_header Host $http_host;\n"
                "proxy_set_header X-Forwarded-Proto $scheme;"
            },
        ),
        "rewrites": Remedy(
            _("Write proxy_pass with a server and without a path."),
            source=f"{NGINX_PROXY}#proxy_pass",
        ),
        "scheme": Remedy(BEHIND_PROXY, {"location": "proxy_set_header X-Forwarded-Proto $scheme;"}),
        "strips": Remedy(
            _("Remove proxy_hide_header."), {"location": "proxy_pass_request_headers on;"}
        ),
        "times out": Remedy(
            LONG_POLLS,
            {"location": "proxy_read_timeout 75s;"},
            f"{NGINX_PROXY}#proxy_read_timeout",
        ),
        "upgrade": Remedy("", NGINX_UPGRADE, "https://nginx.org/en/docs/http/websocket.html"),
    },
)

CADDY_PROXY = "https://caddyserver.com/docs/caddyfile/directives/reverse_proxy"
CADDY_HOST = Remedy(
    _("Caddy passes on Host and sets X-Forwarded-*: remove header_up for these fields."),
    source=f"{CADDY_PROXY}#defaults",
)
CADDY = Platform(
    "Caddy",
    response={"server": r"^Caddy", "via": r"\bCaddy\b"},
    remedies={
        "buffers": Remedy(
            _("Remove response_buffers; -1 flushes each write at once."),
            {"reverse_proxy": "flush_interval -1"},
            f"{CADDY_PROXY}#streaming",
        ),
        "compresses": Remedy(
            _("This encodes no stream; text/* is in the default list."),
            {
                "site": "encode {\n\tgzip\n\tmatch {\n\t\theader Content-Type text/html*\n"
                "\t\theader Content-Type text/css*\n\t\theader Content-Type text/javascript*\n"
                "\t\theader Content-Type application/json*\n\t}\n}"
            },
            "https://caddyserver.com/docs/caddyfile/directives/encode#match",
        ),
        "drops idle": Remedy(
            HEARTBEATS,
            {"transport http": "read_timeout 75s\nwrite_timeout 75s"},
            f"{CADDY_PROXY}#the-http-transport",
        ),
        "host": CADDY_HOST,
        "scheme": CADDY_HOST,
        "address": CADDY_HOST,
        "times out": Remedy(
            LONG_POLLS,
            {"transport http": "response_header_timeout 75s\nread_timeout 75s"},
            f"{CADDY_PROXY}#the-http-transport",
        ),
    },
)

HAPROXY_DOCS = "https://docs.haproxy.org/2.6/configuration.html"
HAPROXY_TIMEOUTS = {
    "defaults": "timeout client 75s\ntimeout server 75s\ntimeout tunnel 1h",
}
HAPROXY = Platform(
    "HAProxy",
    rejection=r"(?s)^HTTP/1\.[01] 400 Bad request\r\n.*Your browser sent an invalid request\.",
    # The package of Debian sets 50 s; HAProxy itself has no default.
    first_byte=50,
    remedies={
        "address": Remedy(
            BEHIND_PROXY,
            {"defaults": "option forwardfor"},
            f"{HAPROXY_DOCS}#4.2-option%20forwardfor",
        ),
        "buffers": Remedy(
            _("HAProxy forwards a response as it arrives; this also avoids delays of the network."),
            {"defaults": "option http-no-delay"},
            f"{HAPROXY_DOCS}#4.2-option%20http-no-delay",
        ),
        "compresses": Remedy(
            _("Compression stops at Cache-Control: no-transform, which must not be deleted."),
            {"backend": "compression type text/html text/css text/javascript application/json"},
            f"{HAPROXY_DOCS}#4.2-compression%20algo",
        ),
        "drops idle": Remedy(HEARTBEATS, HAPROXY_TIMEOUTS, f"{HAPROXY_DOCS}#4.2-timeout%20tunnel"),
        "host": Remedy(_("Remove http-request set-header Host: HAProxy passes it on.")),
        "http/1.1": Remedy("", {"bind": "alpn h2,http/1.1"}, f"{HAPROXY_DOCS}#5.1-alpn"),
        "scheme": Remedy(
            BEHIND_PROXY,
            {
                "frontend": "http-request set-header X-Forwarded-Proto https if { ssl_fc }\n"
                "http-request set-header X-Forwarded-Proto http if !{ ssl_fc }"
            },
            f"{HAPROXY_DOCS}#4.2-http-request%20set-header",
        ),
        "times out": Remedy(LONG_POLLS, HAPROXY_TIMEOUTS, f"{HAPROXY_DOCS}#4.2-timeout%20server"),
    },
)

TRAEFIK_DOCS = "https://doc.traefik.io/traefik"
TRAEFIK_TIMEOUTS = {
    "entryPoints.websecure.transport.respondingTimeouts": "writeTimeout: 0s\nidleTimeout: 180s"
}
TRAEFIK_ENTRYPOINTS = f"{TRAEFIK_DOCS}/reference/install-configuration/entrypoints/"
TRAEFIK = Platform(
    "Traefik",
    request={"x-forwarded-server": r".", "x-real-ip": r"."},
    remedies={
        "buffers": Remedy(
            _("Remove the Buffering middleware from this router: it reads the whole response."),
            source=f"{TRAEFIK_DOCS}/middlewares/http/buffering/",
        ),
        "compresses": Remedy(
            "",
            {
                "http.middlewares.NAME.compress": "excludedContentTypes:\n"
                "  - text/event-stream\n  - application/x-ndjson"
            },
            f"{TRAEFIK_DOCS}/middlewares/http/compress/#excludedcontenttypes",
        ),
        "drops idle": Remedy(HEARTBEATS, TRAEFIK_TIMEOUTS, TRAEFIK_ENTRYPOINTS),
        "times out": Remedy(LONG_POLLS, TRAEFIK_TIMEOUTS, TRAEFIK_ENTRYPOINTS),
    },
)

APACHE_DOCS = "https://httpd.apache.org/docs/2.4/mod"
APACHE_TIMEOUT = {"VirtualHost": "ProxyTimeout 75"}
APACHE = Platform(
    "Apache",
    response={"server": r"^Apache"},
    rejection=r"(?i)\r\nserver: apache",
    first_byte=60,
    remedies={
        "address": Remedy(BEHIND_PROXY, {"VirtualHost": "ProxyAddHeaders On"}),
        "buffers": Remedy(
            _("mod_deflate holds data back: no-gzip turns it off."),
            {"VirtualHost": "SetEnv no-gzip 1"},
            f"{APACHE_DOCS}/mod_deflate.html",
        ),
        "compresses": Remedy(
            _("SetOutputFilter DEFLATE compresses every type."),
            {"VirtualHost": "SetEnv no-gzip 1"},
            f"{APACHE_DOCS}/mod_deflate.html",
        ),
        "downgrades": Remedy(
            _("Remove SetEnv force-proxy-request-1.0."),
            source=f"{APACHE_DOCS}/mod_proxy_http.html#env",
        ),
        "drops idle": Remedy(
            HEARTBEATS, APACHE_TIMEOUT, f"{APACHE_DOCS}/mod_proxy.html#proxytimeout"
        ),
        "host": Remedy(
            "",
            {"VirtualHost": "ProxyPreserveHost On"},
            f"{APACHE_DOCS}/mod_proxy.html#proxypreservehost",
        ),
        "http/1.1": Remedy(
            "", {"VirtualHost": "Protocols h2 http/1.1"}, f"{APACHE_DOCS}/mod_http2.html"
        ),
        "refuses": Remedy(
            _("A 403 'origin' to a publish: the application must receive the browser's Host."),
            {"VirtualHost": "ProxyPreserveHost On"},
            f"{APACHE_DOCS}/mod_proxy.html#proxypreservehost",
        ),
        "scheme": Remedy(
            BEHIND_PROXY,
            {"VirtualHost": "RequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}"},
            f"{APACHE_DOCS}/mod_headers.html#requestheader",
        ),
        "times out": Remedy(
            LONG_POLLS, APACHE_TIMEOUT, f"{APACHE_DOCS}/mod_proxy.html#proxytimeout"
        ),
        "upgrade": Remedy(
            _("Since Apache 2.4.47; before, mod_proxy_wstunnel."),
            {"VirtualHost": 'ProxyPass "/" "http://127.0.0.1:8000/" upgrade=websocket'},
            f"{APACHE_DOCS}/mod_proxy.html#protoupgrade",
        ),
    },
)

CLOUDFLARE_DOCS = "https://developers.cloudflare.com"
CLOUDFLARE_LIMITS = f"{CLOUDFLARE_DOCS}/fundamentals/reference/connection-limits/"
CLOUDFLARE_TIMEOUT = _(
    "Cloudflare waits 100 s or longer for data: a shorter limit is another proxy's."
)
CLOUDFLARE = Platform(
    "Cloudflare",
    response={"server": r"^cloudflare", "cf-ray": r"."},
    first_byte=100,
    remedies={
        "buffers": Remedy(
            _("Turn off the zone setting response_buffering (Enterprise; off by default)."),
            source=f"{CLOUDFLARE_DOCS}/api/resources/zones/subresources/settings/methods/edit/",
        ),
        "compresses": Remedy(
            _("Compression stops at Cache-Control: no-transform; else add a compression rule."),
            source=f"{CLOUDFLARE_DOCS}/speed/optimization/content/compression/",
        ),
        "drops idle": Remedy(CLOUDFLARE_TIMEOUT, source=CLOUDFLARE_LIMITS),
        "times out": Remedy(CLOUDFLARE_TIMEOUT, source=CLOUDFLARE_LIMITS),
        "upgrade": Remedy(
            _("Turn on the zone setting websockets."),
            source=f"{CLOUDFLARE_DOCS}/api/resources/zones/subresources/settings/methods/edit/",
        ),
    },
)

ALB_DOCS = "https://docs.aws.amazon.com/elasticloadbalancing/latest/application"
ALB_IDLE = {
    "aws": "aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN \\\n"
    "  --attributes Key=idle_timeout.timeout_seconds,Value=75"
}
ALB_ATTRIBUTES = f"{ALB_DOCS}/edit-load-balancer-attributes.html"
ALB = Platform(
    "AWS ALB",
    request={"x-amzn-trace-id": r"\b(Root|Self)="},
    rejection=r"(?i)\r\nserver: awselb",
    first_byte=60,
    remedies={
        "drops idle": Remedy(HEARTBEATS, ALB_IDLE, f"{ALB_ATTRIBUTES}#connection-idle-timeout"),
        "host": Remedy(
            _("The attribute for Host header preservation decides what the target receives."),
            source=f"{ALB_ATTRIBUTES}#host-header-preservation",
        ),
        "http/1.1": Remedy(
            _("HTTP/2 needs an HTTPS listener."), source=f"{ALB_DOCS}/load-balancer-listeners.html"
        ),
        "times out": Remedy(LONG_POLLS, ALB_IDLE, f"{ALB_ATTRIBUTES}#connection-idle-timeout"),
        "upgrade": Remedy(
            _("WebSocket needs the target's protocol version HTTP1."),
            source=f"{ALB_DOCS}/load-balancer-listeners.html",
        ),
    },
)

FLY_DOCS = "https://fly.io/docs"
FLY = Platform(
    "Fly.io",
    response={"via": r"\bfly\.io\b"},
    request={"fly-region": r"."},
    remedies={
        "downgrades": Remedy(
            "",
            {"services.ports": 'handlers = ["tls", "http"]'},
            f"{FLY_DOCS}/networking/services/#http-handler",
        ),
        "drops idle": Remedy(
            _("Fly.io has no idle limit since 2023; a stopped Machine cuts its connections."),
            {"http_service": 'auto_stop_machines = "off"\nmin_machines_running = 1'},
            "https://community.fly.io/t/tcp-idle-timeouts-restrictions-have-been-removed/15160",
        ),
        "scheme": Remedy(BEHIND_PROXY, source=f"{FLY_DOCS}/networking/request-headers/"),
        "address": Remedy(BEHIND_PROXY, source=f"{FLY_DOCS}/networking/request-headers/"),
    },
)

HEROKU_DOCS = "https://devcenter.heroku.com/articles"
HEROKU = Platform(
    "Heroku",
    response={"via": r"\b(vegur|heroku-router)\b"},
    request={"via": r"\b(vegur|heroku-router)\b"},
    first_byte=30,
    remedies={
        "drops idle": Remedy(
            _("Heroku closes a connection after 55 s without data; a heartbeat comes every 15 s."),
            source=f"{HEROKU_DOCS}/http-routing#timeouts",
        ),
        "times out": Remedy(SHORTER_POLLS, source=f"{HEROKU_DOCS}/request-timeout"),
        "scheme": Remedy(BEHIND_PROXY, source=f"{HEROKU_DOCS}/http-routing#heroku-headers"),
        "address": Remedy(BEHIND_PROXY, source=f"{HEROKU_DOCS}/http-routing#heroku-headers"),
    },
)

# By the name that --platform takes. Edge networks come first, as they stand nearest to the client.
PLATFORMS = {
    "cloudflare": CLOUDFLARE,
    "fly": FLY,
    "heroku": HEROKU,
    "alb": ALB,
    "nginx": NGINX,
    "caddy": CADDY,
    "haproxy": HAPROXY,
    "traefik": TRAEFIK,
    "apache": APACHE,
}

"""The packages of the wheel; pyproject.toml has everything else.

The wheel installs `websocket/` as `realtime_websocket`, because websocket-client on PyPI owns the
name `websocket`. Translations and nginx files, which are outside the packages here, are installed
inside `realtime_demo`.
"""

from setuptools import find_packages, setup

NAMES = [
    *("background", "conformance", "longpoll", "polling", "realtime_demo", "streaming"),
    "transports",
]

setup(
    packages=[
        *find_packages(include=[pattern for name in NAMES for pattern in (name, f"{name}.*")]),
        "realtime_demo.locale",
        "realtime_demo.production.nginx",
        "realtime_websocket",
    ],
    package_dir={
        "realtime_demo.locale": "locale",
        "realtime_demo.production.nginx": "deploy/nginx",
        "realtime_websocket": "websocket",
    },
    package_data={"": ["**"]},
    exclude_package_data={"": ["**/*.md", "**/*.po", "**/*.pyc", "*.md"]},
)

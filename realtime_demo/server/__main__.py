from realtime_demo.server.cli import CommandLineInterface

CommandLineInterface.entrypoint()

"""`python -m groundup`, and with it `torchrun -m groundup`."""

from groundup.cli.main import entry

if __name__ == "__main__":
    entry()

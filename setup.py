"""What pyproject.toml cannot express: the configurations in work/configs are installed as paddle_ugatit/configs."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["paddle_ugatit*", "torch_ref*", "align*"]), "paddle_ugatit.configs"],
    package_dir={"paddle_ugatit.configs": "work/configs"},
    py_modules=["paddle_ugatit_command"],
)

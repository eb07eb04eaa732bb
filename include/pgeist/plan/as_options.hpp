#pragma once

#include <string>

#include "pgeist/plan/change_request.hpp"

namespace pgeist::plan {

/// The change as it is given on the command line, quoted for a shell: `--table public.users --alter "…"`.
[[nodiscard]] std::string as_options(const change_request& change);

/// An argument as a shell reads it.
[[nodiscard]] std::string in_shell(const std::string& text);

}  // namespace pgeist::plan

#pragma once

#include <string>

#include "pgeist/plan/change_request.hpp"

namespace pgeist::plan {

/// The change as it is given on the command line, quoted for a shell: `--table public.users --alter "…"`.
[[nodiscard]] std::string as_options(const change_request& change);

}  // namespace pgeist::plan

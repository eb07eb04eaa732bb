#pragma once

#include <string>
#include <vector>

namespace pgeist::pg {

/// Names of the settings with a dot in `options`, the options of a connection (PGOPTIONS): `-c app.region=eu`,
/// `--app.region=eu`.
[[nodiscard]] std::vector<std::string> custom_names_in_options(const std::string& options);

}  // namespace pgeist::pg

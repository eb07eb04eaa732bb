#pragma once

#include <string>

namespace pgeist::steps {

/// docs/methods.md: what is done with each clause of ALTER TABLE, by the rules and recipes that choose() goes by.
[[nodiscard]] std::string methods_page();

}  // namespace pgeist::steps

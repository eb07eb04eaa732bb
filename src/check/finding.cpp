#include "pgeist/check/finding.hpp"

#include <algorithm>

namespace pgeist::check {

bool refuses(const std::vector<finding>& all) {
    return std::any_of(all.begin(), all.end(), [](const finding& each) { return each.severity == severity::refuse; });
}

}  // namespace pgeist::check

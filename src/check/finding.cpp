#include "pgeist/check/finding.hpp"

#include <algorithm>

namespace pgeist::check {

bool refuses(const std::vector<finding>& findings) {
    return std::any_of(findings.begin(), findings.end(),
                       [](const finding& each) { return each.severity == severity::refuse; });
}

}  // namespace pgeist::check

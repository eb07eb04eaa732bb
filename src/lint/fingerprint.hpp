#pragma once

#include <vector>

#include "pgeist/lint/finding.hpp"

namespace pgeist::lint {

/// Gives each finding a mark made of its file, its rule and its statement's text: the same as long as only lines move,
/// blank space changes, or other statements come and go. Equal ones are numbered.
void give_fingerprints(std::vector<finding>& findings);

}  // namespace pgeist::lint

#include "pgeist/walk/key_range.hpp"

namespace pgeist::walk {

std::vector<key_range> gaps(const finished_ranges& finished) {
    std::vector<key_range> open;
    bound covered_to;  // nullopt: from the very beginning
    for (const key_range& each : finished) {
        if (each.lower != covered_to) {
            open.push_back(key_range{covered_to, each.lower});
        }
        if (!each.upper) {
            return open;
        }
        covered_to = each.upper;
    }
    open.push_back(key_range{covered_to, std::nullopt});
    return open;
}

}  // namespace pgeist::walk

#pragma once

#include <optional>
#include <string>
#include <vector>

namespace pgeist::walk {

/// The values of a key's columns as text, in the key's order; nullopt: open end.
using bound = std::optional<std::vector<std::string>>;

/// The keys after `lower` up to and including `upper`, in the order of the walked index.
struct key_range {
    bound lower;
    bound upper;

    friend bool operator==(const key_range&, const key_range&) = default;
};

/// A finished range, as read back from the checkpoints.
using finished_ranges = std::vector<key_range>;

/// What of the whole key space is not yet covered by `finished`, which is in key order. Bounds are compared as text: a
/// checkpoint's upper bound is byte for byte the next one's lower bound.
[[nodiscard]] std::vector<key_range> gaps(const finished_ranges& finished);

}  // namespace pgeist::walk

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/transfer/replay/unfit.hpp"

namespace pgeist::way_back {

/// What is stored of a way back for people, beside its plan, and what was asked of it.
struct facts {
    std::optional<std::string> why_not;          ///< it is closed
    std::vector<std::string> lose;               ///< `--lose`
    bool only_check = false;                     ///< `--check`
    std::optional<std::string> settings_before;  ///< of the job, while those of a revert are in their place
};

/// @throws nothing: what cannot be read is not known
[[nodiscard]] facts facts_from(const std::optional<std::string>& stored);

/// As members of what is stored: see job::save_revert().
[[nodiscard]] std::string members_of(const replay::unfit_look& found, const std::string& at);
[[nodiscard]] std::string closed_because(const std::string& why);
[[nodiscard]] std::string closed_by_cleanup();

/// `id = 5 (column price: 1.4 would come back as 1), …`.
[[nodiscard]] std::string describe(const replay::unfit_look& found);

}  // namespace pgeist::way_back

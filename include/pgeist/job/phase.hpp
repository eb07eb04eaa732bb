#pragma once

#include <string>
#include <string_view>

namespace pgeist::job {

/// The phases of a run in their order (design, section 1). The stored phase is the one to be done next: a resumed run
/// starts there.
enum class phase { prepare, capture, copy, key, replay, build, catch_up, verify, swap, finish, done };

[[nodiscard]] std::string_view name_of(phase value) noexcept;
/// The name as users see it: the second replay (catch_up) is called replay too.
[[nodiscard]] inline std::string_view display_name(phase value) noexcept {
    return name_of(value == phase::catch_up ? phase::replay : value);
}
/// @throws error for a name this program does not know (a newer version's job)
[[nodiscard]] phase phase_from_name(std::string_view name);
/// What the phase locks on the source table, for people.
[[nodiscard]] std::string_view lock_of(phase value) noexcept;

}  // namespace pgeist::job

#include "pgeist/job/phase.hpp"

#include <array>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"

namespace pgeist::job {

namespace {

struct description {
    std::string_view name;
    std::string_view lock;
};

// In the order of the enum.
constexpr std::array<description, 11> descriptions{{
    {"prepare", "ACCESS SHARE, momentarily"},
    {"capture", "SHARE ROW EXCLUSIVE, momentarily, under lock_timeout"},
    {"copy", "ACCESS SHARE per chunk"},
    {"key", "none"},
    {"replay", "ACCESS SHARE per batch"},
    {"build", "none"},
    {"catch_up", "ACCESS SHARE per batch"},
    {"verify", "ACCESS SHARE per chunk"},
    {"swap", "ACCESS EXCLUSIVE, milliseconds, under lock_timeout"},
    {"finish", "SHARE UPDATE EXCLUSIVE to validate foreign keys"},
    {"done", "none"},
}};

}  // namespace

std::string_view name_of(phase value) noexcept { return descriptions[static_cast<std::size_t>(value)].name; }

std::string_view lock_of(phase value) noexcept { return descriptions[static_cast<std::size_t>(value)].lock; }

phase phase_from_name(std::string_view name) {
    for (std::size_t at = 0; at < descriptions.size(); ++at) {
        if (descriptions[at].name == name) {
            return static_cast<phase>(at);
        }
    }
    throw error(exit_code::failed,
                fmt::format("the job is in phase \"{}\", which this version of pgeist does not know", name),
                "use the version of pgeist that started the job");
}

}  // namespace pgeist::job

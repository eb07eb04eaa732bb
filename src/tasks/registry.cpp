#include "pgeist/tasks/registry.hpp"

#include <array>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/tasks/backfill/kind.hpp"
#include "pgeist/tasks/expand/kind.hpp"
#include "pgeist/tasks/file/kind.hpp"
#include "pgeist/tasks/group/kind.hpp"
#include "pgeist/tasks/group/rehearsal.hpp"
#include "pgeist/tasks/group/way_back.hpp"
#include "pgeist/tasks/native/kind.hpp"
#include "pgeist/tasks/rehearse/kind.hpp"
#include "pgeist/tasks/reindex/kind.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"
#include "pgeist/tasks/server_repack/kind.hpp"
#include "pgeist/tasks/way_back/kind.hpp"

namespace pgeist::tasks {

const task::kind& kind_named(const std::string& name, std::int64_t job) {
    const std::array all{&rewrite::kind(),       &native::kind(),   &reindex::kind(),        &backfill::kind(),
                         &expand::kind(),        &way_back::kind(), &file::kind(),           &rehearse::kind(),
                         &server_repack::kind(), &group::kind(),    &group::way_back_kind(), &group::rehearsal_kind()};
    for (const task::kind* each : all) {
        if (each->labels().name == name) {
            return *each;
        }
    }
    throw error(exit_code::refused,
                fmt::format("job {} is work of kind \"{}\", which this version of pgeist does not know", job, name),
                "use the version of pgeist that started the job");
}

}  // namespace pgeist::tasks

#pragma once

#include <string>
#include <string_view>

namespace pgeist::pg {

/// The statement that puts a new session into the state pgeist relies on, whatever the role or database have as
/// defaults. It may stand under any search_path. Settings that shape how values are converted (DateStyle, TimeZone, …)
/// are left as the user has them, as ALTER TABLE would: those of a job are a session_profile.
[[nodiscard]] std::string session_settings_sql(int server_version, std::string_view application_name);

}  // namespace pgeist::pg

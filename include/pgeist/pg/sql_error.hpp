#pragma once

#include <string>

#include "pgeist/core/error.hpp"

namespace pgeist::pg {

/// SQLSTATEs that pgeist decides on (PostgreSQL documentation, appendix A).
namespace sqlstate {
inline constexpr const char* untranslatable_character = "22P05";
inline constexpr const char* not_null_violation = "23502";
inline constexpr const char* foreign_key_violation = "23503";
inline constexpr const char* unique_violation = "23505";
inline constexpr const char* check_violation = "23514";
inline constexpr const char* exclusion_violation = "23P01";
inline constexpr const char* transaction_timeout = "25P04";
inline constexpr const char* serialization_failure = "40001";
inline constexpr const char* deadlock_detected = "40P01";
inline constexpr const char* lock_not_available = "55P03";
inline constexpr const char* query_canceled = "57014";
inline constexpr const char* undefined_function = "42883";
inline constexpr const char* undefined_table = "42P01";
inline constexpr const char* undefined_column = "42703";
inline constexpr const char* undefined_object = "42704";
inline constexpr const char* duplicate_column = "42701";
inline constexpr const char* duplicate_object = "42710";
inline constexpr const char* duplicate_schema = "42P06";
inline constexpr const char* duplicate_table = "42P07";
inline constexpr const char* invalid_schema_name = "3F000";
inline constexpr const char* insufficient_privilege = "42501";
inline constexpr const char* object_not_in_prerequisite_state = "55000";
}  // namespace sqlstate

/// What the server (or libpq) said about a failed statement. All texts may be empty.
struct diagnostics {
    std::string sqlstate;
    std::string message;
    std::string detail;
    std::string hint;
    std::string context;
    std::string schema;
    std::string table;
    std::string column;
    std::string constraint;
    std::string position;     ///< 1-based character position in the statement
    int statements_done = 0;  ///< of the script, before the one that failed
};

/// A statement failed on the server, or the client gave up on it.
class sql_error : public error {
public:
    sql_error(exit_code code, diagnostics diag, bool connection_broken, bool outcome_unknown);

    [[nodiscard]] const diagnostics& diag() const noexcept { return diag_; }
    [[nodiscard]] const std::string& sqlstate() const noexcept { return diag_.sqlstate; }
    [[nodiscard]] bool is(const char* state) const noexcept { return diag_.sqlstate == state; }
    /// First two characters match, for example `"23"` for integrity violations.
    [[nodiscard]] bool in_class(const char* two) const noexcept { return diag_.sqlstate.compare(0, 2, two) == 0; }

    /// The data does not fit: a conversion or a constraint failed (SQLSTATE classes 22, 23, 44, and what functions
    /// raise).
    [[nodiscard]] bool blames_data() const noexcept;
    /// Somebody's lock was in the way.
    [[nodiscard]] bool blocked() const noexcept;
    /// Blocked, or cancelled by a timeout or by somebody: the next try may go well, though nobody does anything about
    /// it.
    [[nodiscard]] bool passing() const noexcept;
    /// The same transaction may succeed when it is simply run again on a healthy connection.
    [[nodiscard]] bool retryable() const noexcept;
    /// The connection cannot be used any more: open a new one.
    [[nodiscard]] bool poisons_connection() const noexcept { return connection_broken_; }
    /// The statement may or may not have taken effect (connection lost while COMMIT was under way).
    [[nodiscard]] bool outcome_unknown() const noexcept { return outcome_unknown_; }

private:
    diagnostics diag_;
    bool connection_broken_;
    bool outcome_unknown_;
};

/// The deadline of the caller passed before the server answered; the statement was cancelled on the server.
class timed_out : public sql_error {
public:
    explicit timed_out(bool connection_broken);
};

}  // namespace pgeist::pg

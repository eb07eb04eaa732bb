#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct pg_result;

namespace pgeist::pg {

/// The rows of one statement, in text format. Views returned by `view()` live as long as the result.
/// Columns are found by position or by name; a name that is not there is a bug and throws std::logic_error.
class result {
public:
    result() = default;
    explicit result(pg_result* owned);

    [[nodiscard]] int rows() const noexcept;
    [[nodiscard]] int columns() const noexcept;
    [[nodiscard]] bool empty() const noexcept { return rows() == 0; }
    /// Rows changed by INSERT, UPDATE, DELETE; 0 for everything else.
    [[nodiscard]] std::int64_t affected() const;

    [[nodiscard]] int column(const char* name) const;
    [[nodiscard]] bool is_null(int row, int column) const noexcept;
    [[nodiscard]] std::string_view view(int row, int column) const noexcept;

    [[nodiscard]] std::string text(int row, int column) const { return std::string(view(row, column)); }
    [[nodiscard]] std::string text(int row, const char* name) const { return text(row, column(name)); }
    [[nodiscard]] std::optional<std::string> optional_text(int row, int column) const;
    [[nodiscard]] std::optional<std::string> optional_text(int row, const char* name) const {
        return optional_text(row, column(name));
    }
    /// NULL reads as 0.
    [[nodiscard]] std::int64_t integer(int row, int column) const;
    [[nodiscard]] std::int64_t integer(int row, const char* name) const { return integer(row, column(name)); }
    /// NULL reads as 0.
    [[nodiscard]] double number(int row, int column) const;
    [[nodiscard]] double number(int row, const char* name) const { return number(row, column(name)); }
    /// NULL reads as false.
    [[nodiscard]] bool boolean(int row, int column) const { return view(row, column) == "t"; }
    [[nodiscard]] bool boolean(int row, const char* name) const { return boolean(row, column(name)); }
    /// A one-dimensional array such as `text[]` or `int[]`; NULL reads as empty, NULL elements as empty strings.
    [[nodiscard]] std::vector<std::string> array(int row, int column) const { return parse_array(view(row, column)); }
    [[nodiscard]] std::vector<std::string> array(int row, const char* name) const { return array(row, column(name)); }

    /// Elements of a one-dimensional array in its text form.
    [[nodiscard]] static std::vector<std::string> parse_array(std::string_view text);

    /// For src/pg only.
    [[nodiscard]] pg_result* raw() const noexcept { return result_.get(); }

private:
    struct clear {
        void operator()(pg_result* owned) const noexcept;
    };
    std::unique_ptr<pg_result, clear> result_;
};

/// `items` as the text form of a `text[]`, to be passed as one parameter.
[[nodiscard]] std::string array_literal(const std::vector<std::string>& items);
/// The same of a `bigint[]`.
[[nodiscard]] std::string array_literal(const std::vector<std::int64_t>& numbers);

}  // namespace pgeist::pg

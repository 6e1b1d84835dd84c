package kordon.peers;

/** RFC 3339 text outside, milliseconds since 1970 inside; between the years 1 and 9999. */
final class WireTime {
    static final long EARLIEST = -62_135_596_800_000L;
    static final long LATEST = 253_402_300_799_999L;

    private static final int[] DAYS = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    private WireTime() {}

    /** Reads a date-time with a zone; digits beyond milliseconds are cut off. */
    static long parse(String field, String text) throws BadRecord {
        int length = text.length();
        if (length < 20
                || text.charAt(4) != '-'
                || text.charAt(7) != '-'
                || (text.charAt(10) | 0x20) != 't'
                || text.charAt(13) != ':'
                || text.charAt(16) != ':') {
            throw malformed(field);
        }
        int year = digits(field, text, 0, 4);
        int month = digits(field, text, 5, 2);
        int day = digits(field, text, 8, 2);
        int hour = digits(field, text, 11, 2);
        int minute = digits(field, text, 14, 2);
        int second = digits(field, text, 17, 2);
        if (hour > 23 || minute > 59 || second > 59 || year < 1 || month < 1 || month > 12 || day < 1
                || day > daysOf(year, month)) {
            throw BadRecord.unreadable(field, "no such day or time of day");
        }
        int at = 19;
        int millis = 0;
        if (text.charAt(at) == '.') {
            int first = ++at;
            while (at < length && isDigit(text.charAt(at))) {
                if (at - first < 3) {
                    millis = millis * 10 + text.charAt(at) - '0';
                }
                at++;
            }
            if (at == first) {
                throw malformed(field);
            }
            for (int missing = 3 - (at - first); missing > 0; missing--) {
                millis *= 10;
            }
        }
        long result = (daysSinceEpoch(year, month, day) * 86_400L + hour * 3_600L + minute * 60L + second) * 1_000L
                + millis
                - zoneMillis(field, text, at);
        if (result < EARLIEST || result > LATEST) {
            throw BadRecord.unreadable(field, "outside the years 1 to 9999 in UTC");
        }
        return result;
    }

    private static long zoneMillis(String field, String text, int at) throws BadRecord {
        int left = text.length() - at;
        if (left == 1 && (text.charAt(at) | 0x20) == 'z') {
            return 0;
        }
        if (left != 6 || text.charAt(at + 3) != ':' || text.charAt(at) != '+' && text.charAt(at) != '-') {
            throw malformed(field);
        }
        int hours = digits(field, text, at + 1, 2);
        int minutes = digits(field, text, at + 4, 2);
        if (hours > 23 || minutes > 59) {
            throw BadRecord.unreadable(field, "no such zone offset");
        }
        long offset = (hours * 60L + minutes) * 60_000L;
        return text.charAt(at) == '-' ? -offset : offset;
    }

    /** The wire form in UTC with three digits of a second, as {@code 2026-11-23T20:00:00.000Z}. */
    static String format(long millis) {
        long days = Math.floorDiv(millis, 86_400_000L);
        int ofDay = (int) Math.floorMod(millis, 86_400_000L);
        // The civil date of a day number, counting years from March so that the leap day is the last.
        long shifted = days + 719_468;
        long era = Math.floorDiv(shifted, 146_097L);
        int ofEra = (int) (shifted - era * 146_097);
        int yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365;
        int ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
        int fromMarch = (5 * ofYear + 2) / 153;
        int day = ofYear - (153 * fromMarch + 2) / 5 + 1;
        int month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
        int year = (int) (yearOfEra + era * 400) + (month <= 2 ? 1 : 0);
        byte[] text = new byte[24];
        put(text, 0, year, 4);
        text[4] = '-';
        put(text, 5, month, 2);
        text[7] = '-';
        put(text, 8, day, 2);
        text[10] = 'T';
        put(text, 11, ofDay / 3_600_000, 2);
        text[13] = ':';
        put(text, 14, ofDay / 60_000 % 60, 2);
        text[16] = ':';
        put(text, 17, ofDay / 1_000 % 60, 2);
        text[19] = '.';
        put(text, 20, ofDay % 1_000, 3);
        text[23] = 'Z';
        return new String(text, java.nio.charset.StandardCharsets.ISO_8859_1);
    }

    private static void put(byte[] text, int at, int number, int width) {
        for (int index = at + width - 1; index >= at; index--) {
            text[index] = (byte) ('0' + number % 10);
            number /= 10;
        }
    }

    private static int digits(String field, String text, int at, int width) throws BadRecord {
        int number = 0;
        for (int index = at; index < at + width; index++) {
            char digit = text.charAt(index);
            if (!isDigit(digit)) {
                throw malformed(field);
            }
            number = number * 10 + digit - '0';
        }
        return number;
    }

    private static boolean isDigit(char letter) {
        return letter >= '0' && letter <= '9';
    }

    private static int daysOf(int year, int month) {
        boolean leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        return month == 2 && leap ? 29 : DAYS[month - 1];
    }

    private static long daysSinceEpoch(int year, int month, int day) {
        int fromMarch = month > 2 ? year : year - 1;
        int era = Math.floorDiv(fromMarch, 400);
        int yearOfEra = fromMarch - era * 400;
        int ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
        return era * 146_097L + yearOfEra * 365L + yearOfEra / 4 - yearOfEra / 100 + ofYear - 719_468L;
    }

    private static BadRecord malformed(String field) {
        return BadRecord.unreadable(field, "not an RFC 3339 date-time with a zone, such as 2026-11-23T20:00:00.000Z");
    }
}

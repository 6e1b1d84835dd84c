package kordon.peers;

import java.util.HashMap;
import java.util.Map;

/** IP addresses in the one spelling that may be compared (RFC 5952); an IPv4-mapped address is IPv4. */
final class Addresses {
    private static final int REMEMBERED = 65_536;

    // A fleet's addresses come again and again, as in Kordon; one memory for each thread needs no lock.
    private static final ThreadLocal<Map<String, String>> MEMORY = ThreadLocal.withInitial(HashMap::new);

    private Addresses() {}

    static String canonical(String field, String text) throws BadRecord {
        Map<String, String> memory = MEMORY.get();
        String known = memory.get(text);
        if (known != null) {
            return known;
        }
        String canonical = text.indexOf(':') >= 0 ? sixth(field, text) : dotted(fourth(field, text));
        if (memory.size() >= REMEMBERED) {
            memory.clear();
        }
        memory.put(text, canonical);
        return canonical;
    }

    private static int fourth(String field, String text) throws BadRecord {
        String[] octets = text.split("\\.", -1);
        if (octets.length != 4) {
            throw noAddress(field);
        }
        int address = 0;
        for (String octet : octets) {
            // A leading zero once meant octal, so it means nothing.
            if (octet.isEmpty() || octet.length() > 3 || octet.length() > 1 && octet.charAt(0) == '0') {
                throw noAddress(field);
            }
            int number = 0;
            for (int index = 0; index < octet.length(); index++) {
                char digit = octet.charAt(index);
                if (digit < '0' || digit > '9') {
                    throw noAddress(field);
                }
                number = number * 10 + digit - '0';
            }
            if (number > 255) {
                throw noAddress(field);
            }
            address = address << 8 | number;
        }
        return address;
    }

    private static String sixth(String field, String text) throws BadRecord {
        // A zone names an interface of the sender, not a place; `%` is no hex digit and fails below.
        int gap = text.indexOf("::");
        if (gap >= 0 && text.indexOf("::", gap + 1) >= 0) {
            throw noAddress(field);
        }
        int[] groups = new int[8];
        if (gap < 0) {
            if (fill(field, text, groups, true) != 8) {
                throw noAddress(field);
            }
        } else {
            int[] tail = new int[8];
            int before = fill(field, text.substring(0, gap), groups, false);
            int after = fill(field, text.substring(gap + 2), tail, true);
            if (before + after > 7) {
                throw noAddress(field);
            }
            System.arraycopy(tail, 0, groups, 8 - after, after);
        }
        boolean mapped = groups[5] == 0xffff;
        for (int index = 0; index < 5; index++) {
            mapped &= groups[index] == 0;
        }
        return mapped ? dotted(groups[6] << 16 | groups[7]) : compressed(groups);
    }

    /** Reads groups and returns how many; the last of an address may be an IPv4 address, which is two. */
    private static int fill(String field, String text, int[] groups, boolean isEnd) throws BadRecord {
        int count = 0;
        if (text.isEmpty()) {
            return count;
        }
        String[] parts = text.split(":", -1);
        for (int index = 0; index < parts.length; index++) {
            String part = parts[index];
            if (isEnd && index == parts.length - 1 && part.indexOf('.') >= 0) {
                if (count > 6) {
                    throw noAddress(field);
                }
                int address = fourth(field, part);
                groups[count++] = address >>> 16;
                groups[count++] = address & 0xffff;
                continue;
            }
            if (part.isEmpty() || part.length() > 4 || count > 7) {
                throw noAddress(field);
            }
            int group = 0;
            for (int at = 0; at < part.length(); at++) {
                char letter = part.charAt(at);
                int digit = letter < 128 ? Character.digit(letter, 16) : -1;
                if (digit < 0) {
                    throw noAddress(field);
                }
                group = group << 4 | digit;
            }
            groups[count++] = group;
        }
        return count;
    }

    private static String compressed(int[] groups) {
        int longest = -1;
        int length = 1;
        for (int first = 0; first < 8; first++) {
            int stop = first;
            while (stop < 8 && groups[stop] == 0) {
                stop++;
            }
            if (stop - first > length) {
                longest = first;
                length = stop - first;
            }
        }
        StringBuilder text = new StringBuilder(39);
        for (int index = 0; index < 8; index++) {
            if (index == longest) {
                text.append("::");
                index += length - 1;
                continue;
            }
            if (!text.isEmpty() && text.charAt(text.length() - 1) != ':') {
                text.append(':');
            }
            text.append(Integer.toHexString(groups[index]));
        }
        return text.toString();
    }

    private static String dotted(int address) {
        return (address >>> 24) + "." + (address >>> 16 & 255) + "." + (address >>> 8 & 255) + "." + (address & 255);
    }

    private static BadRecord noAddress(String field) {
        return BadRecord.unreadable(field, "not an IPv4 or IPv6 address without a zone");
    }
}

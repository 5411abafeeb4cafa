/** The error codes of the Voice API and what the contract says of each (voice §2b, §3b), word for word. */

export const VOICE_SEND_CODES = {
  '-1': '權限不足, 來源 IP 無權限使用 API',
  '-2': '通數不足',
  '-3': '帳號已停用',
  '-4': '帳號或密碼錯誤',
  '-5': '語音方式設定錯誤',
  '-6': '重播方式設定錯誤',
  '-7': '重播次數設定錯誤',
  '-8': '電話號碼錯誤',
  '-9': '簡訊內容錯誤',
  '-10': 'Voice_url 所指定的檔案並非 Wave 格式',
  '-11': 'Voice_url 所指定的檔案格式請使用 8000kHz, 8 位元, 單聲道',
  '-12': 'Voice_url 異常存取, 請重新上載',
  '-13': 'voice 設定錯誤',
  '-14': 'speed 設定錯誤',
  '-15': 'vol 設定錯誤',
  '-99': '系統錯誤 (如出現此錯誤, 請通知客服中心)',
} as const;

/** -99 is in the first table only; a query whose database is out of reach answers it too (point 26). */
export const VOICE_QUERY_CODES = {
  '-1': '權限不足, 來源 IP 無權限使用 API',
  '-2': '帳號已停用',
  '-3': '帳號或密碼錯誤',
  '-4': 'Msgid 錯誤',
  '-5': '尚未撥號或該筆撥號尚未完成所有程序',
  '-99': '系統錯誤 (如出現此錯誤, 請通知客服中心)',
} as const;

export type VoiceSendCode = keyof typeof VOICE_SEND_CODES;
export type VoiceQueryCode = keyof typeof VOICE_QUERY_CODES;

/** How a call ended, as the query and the callback say it. */
export const CALL_STATES = ['FarEnd', 'NoAnswer', 'Busy'] as const;
export type CallState = (typeof CALL_STATES)[number];

const BUSY_STATUSES = new Set([486, 600, 603]);

/** What a refusal of the callee's side means (point 31): 486, 600 and 603 are Busy, every other is NoAnswer. */
export function callStateOfRefusal(sipStatus: number): Exclude<CallState, 'FarEnd'> {
  return BUSY_STATUSES.has(sipStatus) ? 'Busy' : 'NoAnswer';
}

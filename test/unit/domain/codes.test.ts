/** The codes against the contract's own table, copied here word for word. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CODES } from '../../../src/domain/codes.ts';

const SECTION_6 = `
00000	完成
00001	狀態尚未回復
00010	帳號或密碼格式錯誤
00011	帳號錯誤
00012	密碼錯誤
00020	通數不足
00030	IP 無使用權限
00031	限制發送國際門號
00040	帳號已停用
00041	API 未啟用(請登入平台後至帳號設定內的 API 設定中啟用)
00050	sendtime 格式錯誤
00060	expirytime 格式錯誤
00100	手機號碼格式錯誤
00110	沒有簡訊內容
00120	長簡訊不支援國際門號
00130	簡訊內容超過長度
00140	drurl 格式錯誤
00150	sendtime 預約的時間已經超過
00170	drurl 帶入的網址無法連線(http code 必須為 200)
00180	簡訊內容帶有 Emoji 圖形
00300	找不到 msgid
00310	預約尚未送出
00400	找不到 snumber 辨識碼
00410	沒有任何 mo 資料
00420	smsQuery 指定查詢的格式錯誤
00430	moQuery 指定查詢的格式錯誤
99998	資料處理異常，請重新發送
99999	系統錯誤，請通知系統廠商
`;

test('every code of section 6 has its text, and 00000 answers Success', () => {
  const rows = SECTION_6.trim().split('\n');
  const expected = Object.fromEntries(rows.map((row) => row.split('\t')));
  assert.deepEqual({ ...CODES }, { ...expected, '00000': 'Success' });
});
